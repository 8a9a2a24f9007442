/** The one place where filed's version stands. */
export const VERSION = "0.1.0";
