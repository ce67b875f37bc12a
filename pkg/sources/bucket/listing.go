package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/sources/ignore"
)

const (
	// maxListed is how many objects are listed, ignored ones included.
	maxListed = 1_000_000
	// maxPages is how many pages they may come in.
	maxPages = 10_000
)

// Listing is what a bucket holds, without what is ignored.
type Listing struct {
	entries []Entry // sorted by key
	rules   rules
}

// Len returns the number of objects.
func (l *Listing) Len() int { return len(l.entries) }

// Revision returns the digest of the keys and entity tags.
func (l *Listing) Revision() string {
	h := sha256.New()
	var line []byte
	for _, e := range l.entries {
		line = append(line[:0], e.Key...)
		line = append(line, ' ')
		line = append(line, e.ETag...)
		h.Write(append(line, '\n'))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// List reads the listing. Known is what the fetch before left, or nil.
func (s *Source) List(ctx context.Context, known *Known) (*Listing, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout())
	defer cancel()
	l := &lister{source: s, known: known}
	if err := l.pages(ctx); errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("bucket '%s' %w", s.Name, err)
	} else if err != nil {
		return nil, explain(ctx, err, "unable to list bucket '%s'", s.Name)
	}
	listing := &Listing{entries: l.entries, rules: l.rules}
	slices.SortFunc(listing.entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	for i := 1; i < len(listing.entries); i++ {
		if listing.entries[i].Key == listing.entries[i-1].Key {
			return nil, fmt.Errorf("unable to list bucket '%s': %w: the object %q is listed twice", s.Name, ErrProtocol, listing.entries[i].Key)
		}
	}
	return listing, nil
}

// lister collects the entries of one listing.
type lister struct {
	source  *Source
	known   *Known
	rules   rules
	rule    Entry // of the object .sourceignore, once it is listed
	matcher *ignore.Matcher
	entries []Entry
	listed  int
}

// pages reads page after page. Every page must lead to another one.
func (l *lister) pages(ctx context.Context) error {
	seen, token := make(map[string]bool), ""
	for {
		page, err := l.source.Service.Page(ctx, l.source.Prefix, token)
		if err != nil {
			return err
		}
		if err := l.add(ctx, page.Entries); err != nil {
			return err
		}
		switch {
		case page.Next == "":
			return l.finish(ctx)
		case seen[page.Next]:
			return fmt.Errorf("%w: the pages of the listing lead to each other", ErrProtocol)
		case len(seen) == maxPages:
			return fmt.Errorf("%w: the listing has more than %d pages", ErrTooLarge, maxPages)
		}
		token = page.Next
		seen[token] = true
	}
}

// undecided is how many entries wait for the object .sourceignore to be listed before
// it is asked for.
const undecided = 10_000

func (l *lister) add(ctx context.Context, entries []Entry) error {
	if l.listed += len(entries); l.listed > maxListed {
		return fmt.Errorf("%w: it has more than %d objects", ErrTooLarge, maxListed)
	}
	for _, e := range entries {
		switch {
		case e.Key == ignore.File:
			l.rule = e
		case strings.HasSuffix(e.Key, "/") || l.matcher != nil && l.matcher.Excludes(e.Key):
		default:
			l.entries = append(l.entries, e)
		}
	}
	if l.matcher == nil && len(l.entries) > undecided {
		if err := l.decide(ctx, true); err != nil {
			return err
		}
	}
	if l.matcher != nil && len(l.entries) > l.source.maxFiles() {
		return fmt.Errorf("%w: it has more than %d objects that are not ignored", ErrTooLarge, l.source.maxFiles())
	}
	return nil
}

// finish applies the rules where that has not been done. A listing that would have
// shown the object .sourceignore and did not saves asking for it.
func (l *lister) finish(ctx context.Context) error {
	if l.matcher != nil {
		return nil
	}
	return l.decide(ctx, l.rule.Key != "" || !strings.HasPrefix(ignore.File, l.source.Prefix))
}

// decide gets the rules and applies them to the entries so far.
func (l *lister) decide(ctx context.Context, exists bool) error {
	if exists {
		var err error
		if l.rules, err = l.source.readRules(ctx, l.rule, l.known); err != nil {
			return err
		}
	}
	l.matcher = l.rules.matcher(l.source.Ignore)
	l.entries = slices.DeleteFunc(l.entries, func(e Entry) bool { return l.matcher.Excludes(e.Key) })
	return nil
}
