"""Operations: retention, cleanup, verification of stored files, and watching resources."""
