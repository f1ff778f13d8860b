// For the tests. A build of the component has the one that `wit-bindgen go` writes, which calls the
// module so.
module wit_component

go 1.25
