package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// readSparsely has the kernel read no more of the program than what is needed, page by
// page.
//
// The pages of the program count for the memory limit of the cgroup that reads them
// first. Of 45 MiB work needs a third, here and there. Where one is missing the kernel
// reads the 32 around it, so under a limit that has no room for all of them each read
// displaces what the next one needs, and the process does nothing but read itself.
func readSparsely() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	found := false
	var failures []error
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		if mapping, _, _ := strings.Cut(lines.Text(), " "); strings.HasSuffix(lines.Text(), " "+program) {
			found = true
			failures = append(failures, adviseRandom(mapping))
		}
	}
	if !found {
		failures = append(failures, fmt.Errorf("%s is mapped nowhere", program))
	}
	return errors.Join(append(failures, lines.Err())...)
}

// adviseRandom says of a mapping, given as from-to in hex, that it is read at random.
func adviseRandom(mapping string) error {
	from, to, _ := strings.Cut(mapping, "-")
	begin, err := strconv.ParseUint(from, 16, 64)
	if err != nil {
		return err
	}
	end, err := strconv.ParseUint(to, 16, 64)
	if err != nil {
		return err
	}
	if _, _, code := syscall.Syscall(syscall.SYS_MADVISE, uintptr(begin), uintptr(end-begin), syscall.MADV_RANDOM); code != 0 {
		return fmt.Errorf("advise the kernel about %s: %w", mapping, code)
	}
	return nil
}
