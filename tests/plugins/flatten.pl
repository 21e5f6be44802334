#!/usr/bin/env perl
# Flatten as a program: one JSON line in, one JSON line out.
# Core Perl alone; the few fields that it needs are read by patterns instead of a JSON library.
use strict;
use warnings;

$| = 1;

my %size = (
    bool => 1, int8 => 1, uint8 => 1, int16 => 2, uint16 => 2, float16 => 2, bfloat16 => 2,
    int32 => 4, uint32 => 4, float32 => 4, int64 => 8, uint64 => 8, float64 => 8,
);

while (my $line = <STDIN>) {
    my ($id) = $line =~ /"id": (\d+)/;
    if ($line =~ /"hello"/) {
        print qq({"id": $id, "name": "flatten.pl", "version": "1.0", "layers": ["Flatten"]}\n);
        next;
    }
    my ($dtype, $shape, $data) =
        $line =~ /"inputs": \{"dtype": "(\w+)", "shape": \[([\d, ]*)\], "data": "([^"]*)"/;
    my @shape = split /, /, $shape;
    if (!@shape) {
        print qq({"id": $id, "rejected": "the input has no batch axis"}\n);
        next;
    }
    if ($line =~ /"data_format": "channels_first"/ && @shape > 2) {
        $data = encode(channels_last(decode($data), $size{$dtype}, @shape));
    }
    my ($batch, $row) = (shift @shape, 1);
    $row *= $_ for @shape;
    print qq({"id": $id, "output": {"dtype": "$dtype", "shape": [$batch, $row], "data": "$data"}}\n);
}

# (batch, channels, places) to (batch, places, channels).
sub channels_last {
    my ($bytes, $size, $batch, $channels, @rest) = @_;
    my $places = 1;
    $places *= $_ for @rest;
    my $moved = "";
    for my $n (0 .. $batch - 1) {
        for my $place (0 .. $places - 1) {
            for my $channel (0 .. $channels - 1) {
                my $element = ($n * $channels + $channel) * $places + $place;
                $moved .= substr($bytes, $element * $size, $size);
            }
        }
    }
    return $moved;
}

# Base64 by way of uuencode, which pack knows: the same digits in another alphabet.
sub decode {
    my ($text) = @_;
    $text =~ s/=//g;
    $text =~ tr{A-Za-z0-9+/}{ -_};
    my $bytes = "";
    while ($text ne "") {
        my $chunk = substr($text, 0, 60, "");
        my $size = int(length($chunk) * 3 / 4);
        $bytes .= unpack("u", chr(32 + $size) . $chunk);
    }
    return $bytes;
}

sub encode {
    my ($bytes) = @_;
    my $text = "";
    while ($bytes ne "") {
        my $chunk = substr($bytes, 0, 45, "");
        my $line = pack("u", $chunk);
        chomp $line;
        $line = substr($line, 1);
        $line =~ tr{` -_}{AA-Za-z0-9+/};
        my $missing = (3 - length($chunk) % 3) % 3;
        substr($line, -$missing) = "=" x $missing if $missing;
        $text .= $line;
    }
    return $text;
}
