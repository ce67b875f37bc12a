package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/fluxd/fluxd/pkg/sources/git"
)

// signingFlags are those that say who signs commits, under the names that flux has.
type signingFlags struct {
	ring, id, passphrase             string
	sshFile, sshPassword, sshByAlias string
	reuse                            bool
}

func (s *signingFlags) register(f *pflag.FlagSet) {
	f.StringVar(&s.ring, "gpg-key-ring", "", "file with a PGP key that signs the commit, as gpg --export-secret-keys writes it")
	f.StringVar(&s.id, "gpg-key-id", "", "id of the key in --gpg-key-ring; empty takes the first")
	f.StringVar(&s.passphrase, "gpg-passphrase", "", "passphrase of that key; better in GPG_PASSPHRASE")
	f.StringVar(&s.sshFile, "ssh-signing-key-file", "", "file with an SSH key that signs the commit")
	f.StringVar(&s.sshPassword, "ssh-signing-password", "", "password of --ssh-signing-key-file; better in SSH_SIGNING_PASSWORD")
	f.StringVar(&s.sshByAlias, "ssh-signing-passphrase", "", "the same as --ssh-signing-password")
	f.Lookup("ssh-signing-passphrase").Hidden = true
	f.BoolVar(&s.reuse, "ssh-signing-reuse-private-key", false, "sign the commit with --private-key-file")
}

// signer returns who signs, nil if nobody does. The key that pushes is in a file, if it is
// one.
func (s signingFlags) signer(pushFile, pushPassword string) (git.Signer, error) {
	ways := 0
	for _, given := range []bool{s.ring != "", s.sshFile != "", s.reuse} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		return nil, errors.New("--gpg-key-ring, --ssh-signing-key-file and --ssh-signing-reuse-private-key: only one of them can sign")
	}
	flag, file, password := "ssh-signing-key-file", s.sshFile, cmp.Or(s.sshPassword, s.sshByAlias, os.Getenv("SSH_SIGNING_PASSWORD"))
	switch {
	case ways == 0:
		if s.id != "" || s.passphrase != "" || s.sshPassword != "" || s.sshByAlias != "" {
			return nil, errors.New("a key is described that signs the commit, and none is given: --gpg-key-ring or --ssh-signing-key-file")
		}
		return nil, nil
	case s.ring != "":
		ring, err := content("gpg-key-ring", s.ring)
		if err != nil {
			return nil, err
		}
		signer, err := git.PGPSigner(ring, s.id, cmp.Or(s.passphrase, os.Getenv("GPG_PASSPHRASE")))
		if err != nil {
			return nil, fmt.Errorf("--gpg-key-ring: %w", err)
		}
		return signer, nil
	case s.reuse:
		if flag, file, password = "ssh-signing-reuse-private-key", pushFile, pushPassword; file == "" {
			return nil, errors.New("--ssh-signing-reuse-private-key: needs --private-key-file")
		}
	}
	key, err := content(flag, file)
	if err != nil {
		return nil, err
	}
	signer, err := git.SSHSigner(key, password)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return signer, nil
}
