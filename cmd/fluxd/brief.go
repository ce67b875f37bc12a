package main

import "go.uber.org/zap/zapcore"

// longestText is the most bytes of a message, an error or a value in the log. A few of
// them, with whatever has to be escaped, stay below the 64 KiB at which flux logs stops
// reading.
const longestText = 8 << 10

// brief cuts what is too long for a line of the log.
type brief struct{ zapcore.Core }

// With implements [zapcore.Core].
func (b brief) With(fields []zapcore.Field) zapcore.Core {
	return brief{b.Core.With(cutFields(fields))}
}

// Check implements [zapcore.Core].
func (b brief) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(e.Level) {
		return checked.AddCore(e, b)
	}
	return checked
}

// Write implements [zapcore.Core].
func (b brief) Write(e zapcore.Entry, fields []zapcore.Field) error {
	e.Message = cut(e.Message)
	return b.Core.Write(e, cutFields(fields))
}

// cutFields returns fields whose texts are not too long.
func cutFields(fields []zapcore.Field) []zapcore.Field {
	for i, f := range fields {
		text := f.String
		if err, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType {
			text = err.Error()
		}
		if len(text) > longestText {
			fields[i] = zapcore.Field{Key: f.Key, Type: zapcore.StringType, String: cut(text)}
		}
	}
	return fields
}

func cut(text string) string {
	if len(text) <= longestText {
		return text
	}
	return text[:longestText] + "..."
}
