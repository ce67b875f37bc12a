// Package substitute replaces variables in what was built.
//
// [Variables.Edit] is the edit of a [render.Job]. A document is written as YAML with
// sorted keys, the variables in that text are replaced, and the text is read again. So
// a value may change what type a field has, and a document that becomes something else
// than YAML is an error.
//
// The grammar of the expressions, ${name:-default} and the like, is that of
// github.com/fluxcd/pkg/envsubst, which does the replacing. What is here keeps it
// within bounds, since its input is whatever somebody committed: text outside of
// expressions never reaches it, an expression is handed to it alone, and one that
// would do too much work, or grow too large, is refused before it is evaluated.
//
// Errors name variables, never values: these may come from Secrets.
package substitute
