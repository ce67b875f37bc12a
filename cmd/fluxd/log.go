package main

import (
	"fmt"
	"io"

	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
)

// newLogger returns a logger whose lines have the keys that readers of Flux logs
// know: ts, level, msg, error, logger.
func newLogger(level, encoding string, w io.Writer) (logr.Logger, error) {
	threshold, err := zapLevel(level)
	if err != nil {
		return logr.Logger{}, err
	}
	keys := zap.NewProductionEncoderConfig()
	keys.EncodeTime = zapcore.ISO8601TimeEncoder
	keys.EncodeLevel = encodeLevel
	keys.CallerKey, keys.StacktraceKey = "", ""
	encoder := zapcore.NewJSONEncoder(keys)
	if encoding == "console" {
		encoder = zapcore.NewConsoleEncoder(keys)
	}
	core := zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), threshold)
	log := zapr.NewLogger(zap.New(brief{core}))
	klog.SetLogger(log.WithName("client-go"))
	return log, nil
}

// zapLevel maps the level names of Flux to those of zap, where verbosity counts
// down from zero.
func zapLevel(level string) (zapcore.Level, error) {
	switch level {
	case "trace":
		return -2, nil
	case "debug":
		return zapcore.DebugLevel, nil
	case "info":
		return zapcore.InfoLevel, nil
	case "error":
		return zapcore.ErrorLevel, nil
	}
	return 0, fmt.Errorf("%q is none of trace, debug, info, error", level)
}

func encodeLevel(l zapcore.Level, enc zapcore.PrimitiveArrayEncoder) {
	if l < zapcore.DebugLevel {
		enc.AppendString("trace")
		return
	}
	zapcore.LowercaseLevelEncoder(l, enc)
}
