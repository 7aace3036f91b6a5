go vet ./deprecated && echo "go vet has nothing to say"
staticcheck ./deprecated
