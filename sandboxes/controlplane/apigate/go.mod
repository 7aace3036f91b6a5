module lastmile.invalid/apigate

go 1.26.0
