package buckettest

import (
	"crypto/md5"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"
)

// Object is one object of a store.
type Object struct {
	Content string
	ETag    string
	// Generation counts how often the object was put.
	Generation int64
}

// Objects are the contents of one bucket, and what was asked of it.
type Objects struct {
	// PageSize is how many objects a page of the listing has; 1,000 if zero.
	PageSize int
	// Intercept may answer a request instead of the store. It says whether it did.
	Intercept func(http.ResponseWriter, *http.Request) bool

	mu      sync.Mutex
	objects map[string]Object
	lists   int
	opens   []string
	refused []string
}

// Put stores an object.
func (o *Objects) Put(key, content string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.objects == nil {
		o.objects = make(map[string]Object)
	}
	sum := md5.Sum([]byte(content))
	o.objects[key] = Object{
		Content: content, ETag: hex.EncodeToString(sum[:]), Generation: o.objects[key].Generation + 1,
	}
}

// Delete removes an object.
func (o *Objects) Delete(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.objects, key)
}

// Asked returns how many pages were listed and which objects were opened since the
// last call, sorted.
func (o *Objects) Asked() (lists int, opens []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lists, opens = o.lists, o.opens
	o.lists, o.opens = 0, nil
	slices.Sort(opens)
	return lists, opens
}

// Refused returns why requests were refused so far.
func (o *Objects) Refused() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.refused)
}

func (o *Objects) refuse(why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused = append(o.refused, why)
}

// open returns an object and counts.
func (o *Objects) open(key string) (Object, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opens = append(o.opens, key)
	object, ok := o.objects[key]
	return object, ok
}

// page returns the keys after a key, as many as a page has, and whether there are more.
func (o *Objects) page(prefix, after string) (keys []string, objects []Object, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lists++
	all := slices.Sorted(maps.Keys(o.objects))
	start := sort.Search(len(all), func(i int) bool { return all[i] > after })
	size := o.PageSize
	if size == 0 {
		size = 1000
	}
	for _, key := range all[start:] {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if len(keys) == size {
			return keys, objects, true
		}
		keys, objects = append(keys, key), append(objects, o.objects[key])
	}
	return keys, objects, false
}

// intercepted lets the test answer.
func (o *Objects) intercepted(w http.ResponseWriter, r *http.Request) bool {
	return o.Intercept != nil && o.Intercept(w, r)
}
