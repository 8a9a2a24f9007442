# Takes out of scdoc's output the paragraph macros that do nothing, at which mandoc -Tlint warns: after a heading, and
# before one. Where an indent ends, the paragraph begins after it.
$0 == ".P" || $0 == ".PP" { waiting = !afterHeading; next }
/^\.RE/ { print; next }
/^\.S[HS] / { waiting = 0 }
waiting { print ".P"; waiting = 0 }
{ print; afterHeading = /^\.(SH|SS|TH) / }
