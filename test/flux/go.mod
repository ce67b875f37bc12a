module github.com/fluxd/fluxd/test/flux

go 1.26.0
