package upstream

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/fluxd/fluxd/test/program"
)

// azuriteVersion is what is installed.
const azuriteVersion = "3.37.0"

// The account that the emulator knows, as its documentation says.
const (
	AzureAccount = "devstoreaccount1"
	AzureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// ErrUnavailable is the error of a start that this machine has not the means for.
var ErrUnavailable = errors.New("cannot run here")

// Azurite is the emulator of Azure's blob storage.
type Azurite struct {
	*backend
}

// StartAzurite starts the emulator, which is installed with npm when it is first
// needed. It runs until Close. The error is [ErrUnavailable] where there is no
// node, no npm, or no package to be had.
func StartAzurite(ctx context.Context, s Security) (*Azurite, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("the emulator of Azure %w: %w", ErrUnavailable, err)
	}
	folder, err := installAzurite(ctx, os.Stderr)
	if err != nil {
		return nil, err
	}
	b, err := newBackend(s, func(next http.Handler) http.Handler { return next })
	if err != nil {
		return nil, err
	}
	a := &Azurite{backend: b}
	if err := a.launch(ctx, node, folder); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *Azurite) launch(ctx context.Context, node, folder string) (err error) {
	script := filepath.Join(folder, "node_modules", "azurite", "dist", "src", "blob", "main.js")
	if a.process, err = program.Launch(node, script, []string{
		"--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent",
	}, a.dir, a.dir); err != nil {
		return err
	}
	return a.await(ctx, "Azure", func(ctx context.Context) error {
		printed, err := a.Logs()
		if err != nil {
			return err
		}
		found := listens.FindStringSubmatch(printed)
		if found == nil {
			return errors.New("it does not listen")
		}
		a.address.Store(&found[1])
		return nil
	})
}

// listens is what the emulator prints when it does.
var listens = regexp.MustCompile(`listens on http://(127\.0\.0\.1:\d+)`)

// installAzurite returns the folder that the emulator is installed in.
func installAzurite(ctx context.Context, progress io.Writer) (string, error) {
	dir, err := program.CacheDir("azurite")
	if err != nil {
		return "", err
	}
	folder := filepath.Join(dir, azuriteVersion)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("the emulator of Azure %w: %w", ErrUnavailable, err)
	}
	fmt.Fprintln(progress, "installing Azure's emulator with npm (first time only, takes a minute or two and 360 MB)")
	unlock, err := program.Lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return "", fmt.Errorf("wait for another installation of Azure's emulator: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	part := folder + ".part"
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", part, "--no-audit", "--no-fund", "--ignore-scripts", "azurite@"+azuriteVersion)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the emulator of Azure %w: npm install: %w: %s", ErrUnavailable, err, bytes.TrimSpace(out))
	}
	return folder, os.Rename(part, folder)
}

// SAS is a query that lets who has it do what permissions, such as "rl" for read
// and list, say to everything in the account, for an hour.
func (a *Azurite) SAS(permissions string) string {
	const version = "2020-08-04"
	protocols := "https,http"
	expires := time.Now().UTC().Add(time.Hour).Format(time.RFC3339)
	text := strings.Join([]string{AzureAccount, permissions, "b", "sco", "", expires, "", protocols, version, ""}, "\n")
	key, err := base64.StdEncoding.DecodeString(AzureKey)
	if err != nil {
		panic(err) // it is a constant
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text)) // never fails
	return url.Values{
		"sv": {version}, "ss": {"b"}, "srt": {"sco"}, "sp": {permissions}, "se": {expires}, "spr": {protocols},
		"sig": {base64.StdEncoding.EncodeToString(h.Sum(nil))},
	}.Encode()
}

// Endpoint is the URL of the account.
func (a *Azurite) Endpoint() string { return a.URL + "/" + AzureAccount }

// AzureHost is the account's host in the manner of Azure itself, which the emulator
// answers to as well. Only a [Proxy] can find it.
const AzureHost = AzureAccount + ".blob.fluxd.test"

// MakeContainer creates a container.
func (a *Azurite) MakeContainer(ctx context.Context, container string) error {
	return a.do(ctx, http.MethodPut, container, "restype=container&", nil)
}

// Put stores a blob.
func (a *Azurite) Put(ctx context.Context, container, name string, content []byte) error {
	return a.do(ctx, http.MethodPut, container+"/"+name, "", content)
}

func (a *Azurite) do(ctx context.Context, method, path, query string, body []byte) error {
	target := "http://" + *a.address.Load() + "/" + AzureAccount + "/" + path + "?" + query + a.SAS("rwdlac")
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Ms-Version", "2020-08-04")
	req.Header.Set("X-Ms-Blob-Type", "BlockBlob")
	_, _, err = roundTrip(a.transport, req)
	return err
}
