# SOAP::Lite, with the WSDL.
use strict;
use warnings;
use utf8;
use Encode qw(decode);
use JSON::PP qw(encode_json);
use SOAP::Lite;

my ($url, $key, $to, $text) = map { decode("UTF-8", $_) } @ARGV;
my $service = SOAP::Lite->service($url);
my $fault;
$service->on_fault(sub { my ($soap, $answer) = @_; $fault = ref $answer ? $answer->faultstring : $soap->transport->status; SOAP::SOM->new });
my $result = $service->sendSms($to, $text, $key);
$result = {} unless ref $result;
print encode_json({ id => $result->{id}, error => $result->{error}, sent => $result->{sent}, fault => $fault }), "\n";
