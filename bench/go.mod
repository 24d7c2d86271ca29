module github.com/lro-tools/conform/bench

go 1.26.0
