//! Every format that is read: golden bytes of each version, a corpus of recorded events, and damaged input.

mod cloudevents_corpus;
mod golden;
mod mutations;
