// Package door lets callers of the daemon's HTTP API in, and says what each may.
//
// A caller shows a bearer token of the cluster, whose owner the API server tells
// (TokenReview), and everything that it wants is asked of the API server on its behalf
// (SubjectAccessReview). The daemon has more rights than any of its callers, so a
// handler behind the door has to ask [Visitor.May] about everything that it tells,
// about the object in question and not only about a path: the door itself only says who
// somebody is.
//
//	mux.Handle("/api/", d.Wrap(handler))
//	...
//	err := door.From(req.Context()).May(ctx, kube.Action{Verb: "get", ...})
//
// # What is promised
//
//   - One request shows one token: as a bearer token, or in [HeaderToken] for those who
//     come through the proxy of the API server.
//   - Without a valid token nothing behind the door is called.
//   - What the API server said is remembered for ten seconds, good or bad: a token that
//     is revoked, or a right that is taken away, counts that much longer. Tokens are
//     remembered by their digest.
//   - What is remembered is bounded, and so is how often the API server is asked about
//     tokens that nobody knows, and how often one caller may call.
//   - If the API server cannot be asked, nobody gets in.
//
// Answers are 401 without a valid token, 403 for what a caller may not, 429 for too
// many calls and 503 while the API server does not answer. None tells more than that.
package door
