package decrypt

import "context"

// File decrypts a file that stands by itself, in the format that its name tells. One
// that is not encrypted comes back as it is.
func (d *Decrypter) File(ctx context.Context, name string, content []byte) ([]byte, error) {
	f := formatOf(name)
	if !f.marked(content) {
		return content, nil
	}
	if len(content) > maxFile {
		return nil, tooLarge(int64(len(content)))
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	return d.file(ctx, content, f, f, true)
}
