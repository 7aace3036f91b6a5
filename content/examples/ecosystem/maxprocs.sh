mkdir old && printf 'module old\n\ngo 1.24\n' > old/go.mod && cp maxprocs/main.go old
(cd old && go list -f '{{.DefaultGODEBUG}}' . | tr , '\n' | grep maxprocs)
sed -i 's/go 1.24/go 1.25/' old/go.mod
(cd old && go list -f '{{.DefaultGODEBUG}}' . | tr , '\n' | grep maxprocs || echo "nothing switched off")
rm -r old
