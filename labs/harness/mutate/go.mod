module lastmile.example/mutate

go 1.26
