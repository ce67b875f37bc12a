// Command image makes a container image of programs that need nothing else, with
// no container engine and nothing from the network:
//
//	go run ./hack/image -name fluxd/fluxd -version v1.0.0 -out dist/image \
//		linux/amd64=dist/bin/fluxd-linux-amd64 linux/arm64=dist/bin/fluxd-linux-arm64
//
// It writes an OCI image layout (image-spec v1.1) with one index for all
// platforms to the folder dist/image, and beside it one archive for each platform,
// such as dist/image-linux-amd64.tar, that `docker load`, `ctr images import` and
// the image folder of k3s take.
//
// An image is one layer: the program, an entry in /etc/passwd for the user that it
// runs as, and the folders /tmp and /data to mount something on. There are no
// shell, no libraries and no certificates; the program brings its own roots.
//
// The same inputs and the same Go give the same bytes: there are no times and no
// names of this machine in the result.
package main
