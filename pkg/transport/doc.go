// Package transport is how sources speak HTTP: politely, bounded and counted.
//
// [Hosts] is what the process knows of the hosts it asks. It bounds how many
// requests await an answer of one host at a time, and heeds Retry-After: a host that
// asks for a pause is not asked again before, by nobody, and who tries gets a
// [BusyError] at once instead of a worker that waits.
//
// A [Transport] serves one source. Its certificates and its proxy are never
// used for another; sources without any share their connections. It counts
// the bytes of answers as they came over the wire, and takes compressed answers
// where the caller does not say otherwise.
//
// [NewClient] adds the rules for redirects: few, never from https to http, and no
// credentials for another origin than the one that they were given for.
//
// Nothing here bounds the time of a request or the size of a body: the context and
// the reader of the caller do. Addresses at which clouds hand credentials to
// whoever asks are refused, whatever name leads there.
package transport
