//! The build script of a program that brings its agent along, as its author writes it.

fn main() {
    chimera_layer4_build::agent("agent");
}
