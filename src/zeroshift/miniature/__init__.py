"""All that is about the model that ships with the package: its words, its classifier, its training, its figures."""
