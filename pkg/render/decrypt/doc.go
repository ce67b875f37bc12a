// Package decrypt makes plain text of what SOPS encrypted.
//
//	file ─▶ tree ─▶ data key ─▶ values decrypted, MAC verified ─▶ tree ─▶ file
//
// A [Decrypter] holds the keys of one object for one build. [Decrypter.Files] edits
// the files that a kustomization generates Secrets from, or patches with, before the
// build: in memory, never on a disk. [Decrypter.Edit] edits objects after it: whole
// objects of any kind that carry the metadata of SOPS, and the entries of Secrets.
//
// # The format
//
// A file is a tree with metadata under the key sops. Every leaf that the rules of the
// metadata select is encrypted with one data key, AES-GCM, and bound to its path. The
// data key is encrypted once for every master key; with several groups of master keys
// it is split, and a number of groups is needed. The MAC over all leaves binds them to
// each other. It is verified wherever the encrypted bytes are those that SOPS wrote;
// an object that went through a build is not what it was, and is taken without.
//
// What comes out is, byte for byte, what the sops program writes: names of generated
// Secrets depend on it.
//
// # Keys
//
// Age keys and PGP keys are used here, without any other program. Key services are
// asked over HTTP, within limits, and each only for a file that names it. Credentials
// go to the service that they are for: a file cannot send them elsewhere.
//
// # Errors
//
// No error has plain text, cipher text or a key in it. All input is bounded: bytes,
// nesting, what aliases expand to, and how many master keys are tried.
package decrypt
