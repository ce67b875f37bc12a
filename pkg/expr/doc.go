// Package expr evaluates the CEL expressions that specs hold: questions with yes or
// no for an answer.
//
// The language is that of the stock controllers: the standard library with the
// extensions for strings, sets and encoders, optional types, comparison of numbers
// across types, lists of one type, and UTC where no zone is given.
//
// # What is promised
//
//   - Nothing of CEL is set up before the first expression is compiled.
//   - What is kept is bounded: a fixed number of programs, those asked last.
//   - An evaluation is bounded in steps, in time, and in the size of each string and
//     list that it makes. Expressions are written by tenants and read objects that
//     others write, so that neither is trusted.
//   - A compiler and its programs are safe for concurrent use.
//
// It knows no object and no cluster: what an answer means is said by who asks.
package expr
