package decrypt

import (
	"context"
	"fmt"
)

// File returns the plain text of one file whose format its name tells. One that is not
// encrypted is returned as it is.
func (d *Decrypter) File(ctx context.Context, name string, content []byte) ([]byte, error) {
	f := formatOf(name)
	if !f.marked(content) {
		return content, nil
	}
	if len(content) > maxFile {
		return nil, tooLarge(int64(len(content)))
	}
	plain, err := d.file(ctx, content, f, f, true)
	if err != nil {
		return nil, fmt.Errorf("error decrypting the file: %w", err)
	}
	return plain, nil
}
