//! What is promised of blob stores, over every kind of store; and what each
//! kind must survive. Never sleeps for a guess: waits for what it expects.

mod conformance;
mod faults;
mod files;
mod opening;
mod stage;
