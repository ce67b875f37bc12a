package controlplane

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// access is who may log in to a control plane and how.
type access struct {
	dir    string // where kubeconfigs go
	server string
	ca     []byte
	tokens map[string]string // by user name
}

const fileTokens = "tokens.csv"

// newAccess gives every user a token, and writes them for the API server.
func newAccess(dir, server string, ca []byte, users []User) (*access, error) {
	a := &access{dir: dir, server: server, ca: ca, tokens: map[string]string{}}
	file, err := os.OpenFile(filepath.Join(dir, fileTokens), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	table := csv.NewWriter(file)
	admin := User{Name: AdminUser, Groups: []string{"system:masters"}}
	for _, user := range append([]User{admin}, users...) {
		if a.tokens[user.Name] != "" {
			return nil, fmt.Errorf("user %s is there twice", user.Name)
		}
		a.tokens[user.Name] = rand.Text()
		row := []string{a.tokens[user.Name], user.Name, user.Name, strings.Join(user.Groups, ",")}
		if err := table.Write(row); err != nil {
			return nil, err
		}
	}
	table.Flush()
	return a, table.Error()
}

// kubeconfig writes the kubeconfig of user, unless it has been, and returns
// its path.
func (a *access) kubeconfig(user string) (string, error) {
	token, known := a.tokens[user]
	if !known {
		return "", fmt.Errorf("user %q is not among the users the control plane was started with: %s",
			user, strings.Join(a.users(), ", "))
	}
	path := filepath.Join(a.dir, "kubeconfig-"+strings.NewReplacer(":", "-", "/", "-").Replace(user))
	content := fmt.Sprintf(kubeconfigFormat, a.server, base64.StdEncoding.EncodeToString(a.ca), user, token, user)
	part := path + "." + rand.Text()
	if err := os.WriteFile(part, []byte(content), 0o600); err != nil {
		return "", err
	}
	return path, os.Rename(part, path)
}

func (a *access) users() []string {
	var names []string
	for name := range a.tokens {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

const kubeconfigFormat = `apiVersion: v1
kind: Config
clusters:
- name: fluxd-test
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %q
  user:
    token: %s
contexts:
- name: fluxd-test
  context:
    cluster: fluxd-test
    user: %q
current-context: fluxd-test
`
