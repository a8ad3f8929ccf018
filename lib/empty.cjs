// In the place of packages that a bundle leaves out.
