mod code;
mod damaged;
mod fixture;
mod go;
mod library;
