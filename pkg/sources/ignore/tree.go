package ignore

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// maxRules bounds the files with patterns of one tree together, in bytes.
const maxRules = 256 << 10

// Of returns the rules of what is collected in b so far: those of its .sourceignore
// files, and then the object's own. It is [artifacts.ErrLimit] if the files are too
// long.
func Of(b *artifacts.Builder, own string) (*Rules, error) {
	type file struct {
		dir     string
		content []byte
	}
	var files []file
	size := 0
	err := b.Each(File, func(name string, content []byte) error {
		dir := path.Dir(name)
		if slices.Contains(strings.Split(dir, "/"), ".git") {
			return nil
		}
		if size += len(content); size > maxRules {
			return fmt.Errorf("%w: the %s files have more than %d bytes", artifacts.ErrLimit, File, maxRules)
		}
		files = append(files, file{dir, slices.Clone(content)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b file) int { // the root first
		return cmp.Or(cmp.Compare(depth(a.dir), depth(b.dir)), cmp.Compare(a.dir, b.dir))
	})
	all := &Rules{}
	for _, f := range files {
		all.Add(f.dir, f.content)
	}
	all.Add(".", []byte(own))
	return all, nil
}

func depth(dir string) int {
	if dir == "." {
		return 0
	}
	return strings.Count(dir, "/") + 1
}
