// Package signature checks the signatures of artifacts in registries: those of
// cosign, with public keys or keyless, and those of notation.
//
// A [Verifier] is made of what somebody trusts: [CosignKeys], [CosignKeyless] or
// [Notation]. It looks at what a [Store] has attached to a [Subject], and is
// satisfied by one signature that holds; if none does, its error says of each why.
//
// What is checked is always the digest of a manifest, never a tag. Nothing but the
// store is asked for anything: keys, certificates and the proof that a signature
// was logged come with the trust and with the signature. Signatures are bounded in
// number and size, since anybody who may write to the repository can attach some.
//
// The formats are those of cosign's simple signing, of Sigstore bundles up to
// version 0.3 and of the Notary Project. Sigstore's own library is not used: it
// brings 9 MiB of program and 2 MiB of memory for what is here.
package signature
