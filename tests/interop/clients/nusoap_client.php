<?php
// nusoap, called as the vendor's page shows it. Style: "page" (nothing else set: UTF-8 bytes under an ISO-8859-1 label),
// "latin1" (bytes that the label is true of), "utf8" (labelled as what they are), "no-wsdl" (rpc/encoded in http://tempuri.org).
[, $url, $key, $to, $text, $style] = $argv;
$_GET = ["recipients" => $to, "message" => $text, "apikey" => $key];

if ($style == "latin1") {
    $_GET["message"] = iconv("UTF-8", "ISO-8859-1", $text);
}

require_once "lib/nusoap.php";
$client = new nusoap_client($url, $style != "no-wsdl");
if ($style == "utf8") {
    $client->soap_defencoding = "UTF-8";
}
$error = $client->getError();
$result = $client->call("sendSms", array("recipients" =>$_GET['recipients'],"message" =>$_GET['message'],"apikey" =>$_GET['apikey']));

$result = $result["return"] ?? $result;
$fault = $client->getError();
echo json_encode(["id" => $result["id"] ?? null, "error" => $result["error"] ?? null, "sent" => $result["sent"] ?? null, "fault" => $fault]), "\n";
