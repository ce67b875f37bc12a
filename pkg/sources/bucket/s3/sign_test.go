package s3

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSignature signs the example "GET Bucket (List Objects)" of the S3 reference, chapter
// "Signature Calculations for the Authorization Header".
func TestSignature(t *testing.T) {
	req, err := http.NewRequest(http.MethodGet, "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J", nil)
	if err != nil {
		t.Fatal(err)
	}
	sign(req, Keys{Access: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
		"us-east-1", time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC))
	const want = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
	if got := req.Header.Get("Authorization"); !strings.HasSuffix(got, "Signature="+want) {
		t.Errorf("the header is %s, want the signature %s", got, want)
	}
}

func TestNobodySignsNothing(t *testing.T) {
	req, err := http.NewRequest(http.MethodGet, "https://s3.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	sign(req, Keys{}, "us-east-1", time.Now())
	if len(req.Header) != 0 {
		t.Errorf("the headers are %v", req.Header)
	}
}
