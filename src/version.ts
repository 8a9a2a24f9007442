/** The one place where filed's version stands. */
export const VERSION = "0.1.0";

/** The commit that a build is of: `make` writes it over the mark, which a run from the source tree still has. */
export const COMMIT = "@COMMIT@";
