<?php
$payload = file_get_contents('php://input');
$data = json_decode($payload, true);
if ($data) {
file_put_contents('sms_log.txt', print_r($data, true), FILE_APPEND);
http_response_code(200);
echo "Webhook received successfully.";
} else {
http_response_code(400);
echo "Invalid payload.";
}
?>
