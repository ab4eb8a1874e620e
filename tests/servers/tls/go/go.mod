module earshot.test/tls

go 1.24
