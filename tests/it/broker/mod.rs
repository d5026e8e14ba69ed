//! Use of tokens at their providers, each played by a stand-in.

mod braket;
