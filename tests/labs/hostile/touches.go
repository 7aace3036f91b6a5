package main

func main() {
	connect()
	touch()
}
