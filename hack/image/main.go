package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	var o options
	flag.StringVar(&o.name, "name", "fluxd/fluxd", "name of the image, without a tag")
	flag.StringVar(&o.version, "version", "dev", "version, which is also the tag")
	flag.StringVar(&o.out, "out", "dist/image", "folder for the OCI layout")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: image [flags] os/architecture=program...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(o, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

type options struct {
	name, version, out string
}

// run builds an image of each program, writes them and prints their sizes.
func run(o options, programs []string, report io.Writer) error {
	var images []image
	for _, arg := range programs {
		target, path, err := parse(arg)
		if err != nil {
			return err
		}
		program, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		img, err := build(target, program, o.version)
		if err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
		images = append(images, img)
	}
	index, err := writeLayout(o.out, images, o.version)
	if err != nil {
		return fmt.Errorf("write the layout: %w", err)
	}
	fmt.Fprintf(report, "%s:%s\n  %-12s %s\n", o.name, o.version, "index", index)
	for _, img := range images {
		archive := fmt.Sprintf("%s-%s-%s.tar", o.out, img.platform.OS, img.platform.Architecture)
		if err := writeArchive(archive, img, o.name+":"+o.version); err != nil {
			return fmt.Errorf("write the archive: %w", err)
		}
		fmt.Fprintf(report, "  %-12s %s  %s compressed, %s unpacked, %s\n", img.platform, img.manifest.digest(),
			mebibytes(len(img.layer.data)), mebibytes(img.unpacked), archive)
	}
	return nil
}

// parse splits os/architecture=path.
func parse(arg string) (platform, string, error) {
	target, path, ok := strings.Cut(arg, "=")
	system, arch, both := strings.Cut(target, "/")
	if !ok || !both || system == "" || arch == "" || path == "" {
		return platform{}, "", fmt.Errorf("%q is not os/architecture=program", arg)
	}
	return platform{Architecture: arch, OS: system}, path, nil
}

func mebibytes(n int) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
