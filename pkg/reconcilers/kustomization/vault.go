package kustomization

import (
	"context"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/render/decrypt"
)

// vaultKey is the entry of the ConfigMap with the Vault servers that may be logged in
// to.
const vaultKey = "config.yaml"

// ownToken is where the process finds a token of its own ServiceAccount.
const ownToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// vaultLogin returns what logs in to Vault as the named ServiceAccount, or as the
// process if it has no name, nil if nobody may be logged in.
func (p *pass) vaultLogin(account string) *decrypt.VaultLogin {
	list := p.options.VaultConfigMap
	if list.Name == "" {
		return nil
	}
	return &decrypt.VaultLogin{
		List:  list.Namespace + "/" + list.Name,
		Paths: p.vaultPaths,
		Token: func(ctx context.Context, address string) (string, error) {
			return p.accountToken(ctx, account, address)
		},
	}
}

// vaultPaths reads where to log in, by the address of the server.
func (p *pass) vaultPaths(ctx context.Context) (map[string]string, error) {
	list := p.options.VaultConfigMap
	data, err := p.configs.ConfigMap(ctx, list.Namespace, list.Name)
	if err != nil {
		return nil, fmt.Errorf("failed to get Vault ConfigMap '%s/%s': %w", list.Namespace, list.Name, err)
	}
	text, ok := data[vaultKey]
	if !ok {
		//lint:ignore ST1005 the text is what people and tools know
		return nil, fmt.Errorf("Vault ConfigMap '%s/%s' is missing the '%s' key", list.Namespace, list.Name, vaultKey)
	}
	var config struct {
		Instances []struct {
			Address   string `json:"address"`
			LoginPath string `json:"loginPath"`
		} `json:"instances"`
	}
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		return nil, fmt.Errorf("failed to parse '%s' in Vault ConfigMap '%s/%s': %w", vaultKey, list.Namespace, list.Name, err)
	}
	paths := make(map[string]string, len(config.Instances))
	for _, instance := range config.Instances {
		paths[instance.Address] = instance.LoginPath
	}
	return paths, nil
}

// accountToken returns a token of a ServiceAccount in the namespace of the object, or
// of that of the process, that is meant for one server.
func (p *pass) accountToken(ctx context.Context, account, address string) (string, error) {
	namespace := p.obj.Namespace
	if account == "" {
		own, err := os.ReadFile(ownToken)
		if err != nil {
			return "", fmt.Errorf("read the token of the process: %w", err)
		}
		if namespace, account, err = decrypt.Subject(string(own)); err != nil {
			return "", err
		}
	}
	return p.options.Accounts.ServiceAccountToken(ctx, namespace, account, []string{address})
}
