module greyset.dev/peers

go 1.25
