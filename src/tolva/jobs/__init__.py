"""The service: from a job document to its results; who may run; and putting right what was interrupted."""
