go tool api 2>&1 | sed "s#$(go env GOROOT)#\$GOROOT#"
