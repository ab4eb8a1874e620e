//! What is taken for MySQL and what is not.
