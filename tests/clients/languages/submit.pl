# submit.pl PENDING ID FILE: submits the file in each way that Perl has, and prints the ids.
use strict;
use warnings;
use autodie qw(:default flock);
use Fcntl qw(:flock :DEFAULT);
use File::Copy ();
use File::Temp ();

my ($pending, $prefix, $source) = @ARGV;
my $command = do { local (@ARGV, $/) = ($source); <> };

sub path {
    print "$prefix-$_[0]\n";
    return "$pending/$prefix-$_[0]";
}

sub submit {
    my ($file) = @_;
    print $file $command or die;
    close $file;
}

open my $file, '>', path('open');
submit($file);
open $file, '>>', path('append');
submit($file);
sysopen $file, path('flock'), O_CREAT | O_WRONLY | O_EXCL;
flock $file, LOCK_EX;
submit($file);

my $temporary = File::Temp->new(DIR => $pending, UNLINK => 0);
submit($temporary);
rename "$temporary", path('File-Temp');

File::Copy::copy($source, path('copy')) or die;
File::Copy::copy($source, "$source-2") or die;
File::Copy::move("$source-2", path('move')) or die;
