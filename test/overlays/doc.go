// Package overlays sees the installation and each of its overlays at work: applied to a
// control plane, with daemons that have the arguments and the rights that it says.
package overlays
