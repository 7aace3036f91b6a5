go list -m -f '{{.Version}} {{.Time.Year}}' golang.org/x/lint@latest
