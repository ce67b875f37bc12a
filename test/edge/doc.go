// Package edge tests what a small node asks of the whole daemon: that it gets by with the
// memory that the overlay for such nodes gives it, and that it goes on from the disk when
// it comes back without its network.
package edge
