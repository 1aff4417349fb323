<?php
// PHP's own SoapClient. Style: "named" (one array), "named-1.2" (the same by SOAP 1.2), "positional" (bare arguments, for rpc).
[, $url, $key, $to, $text, $style] = $argv;
$version = $style == "named-1.2" ? SOAP_1_2 : SOAP_1_1;
$client = new SoapClient($url, ["soap_version" => $version, "cache_wsdl" => WSDL_CACHE_NONE]);
try {
    if ($style == "positional") {
        $result = $client->sendSms($to, $text, $key);
    } else {
        $result = $client->sendSms(["recipients" => $to, "message" => $text, "apikey" => $key])->return;
    }
    echo json_encode(["id" => $result->id, "error" => $result->error, "sent" => $result->sent, "fault" => null]), "\n";
} catch (SoapFault $fault) {
    echo json_encode(["fault" => $fault->getMessage()]), "\n";
}
